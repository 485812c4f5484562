// SPDX-License-Identifier: GPL-2.0-only

// Goroutines whose stacks grow, move and shrink, beside a collector that reads
// them. Run by returns.sh with a return probe on every function of this file.
// What it prints is the same in every run; last, on the other output, how often
// leaf() was called: its stack does not move meanwhile.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

var leaves int64

func leaf(x int) int {
	atomic.AddInt64(&leaves, 1)
	return x*3 + 1
}

// Half a kilobyte a call: every few of them the stack moves.
func grow(depth int) int {
	var room [64]int
	for i := range room {
		room[i] = depth + i
	}
	if depth == 0 {
		return leaf(room[63])
	}
	return grow(depth-1) + room[depth%64]
}

// The stack moves below a pointer into it.
func fill(p *[8]int, depth int) {
	if depth > 0 {
		fill(p, depth-1)
	}
	p[depth%8] += leaf(depth)
}

func swap(in, out chan int) int {
	x := <-in
	out <- x + 1
	return x
}

func collect(depth int) {
	if depth > 0 {
		collect(depth - 1)
		return
	}
	runtime.GC()
}

func panics(depth int) int {
	if depth == 0 {
		panic(errors.New("at the bottom"))
	}
	return panics(depth-1) + 1
}

func recovers(depth int) (x int) {
	defer func() {
		if r := recover(); r != nil {
			x = grow(depth) + len(r.(error).Error())
		}
	}()
	return panics(depth)
}

func goesAway(depth int, done *sync.WaitGroup) {
	defer done.Done()
	if depth == 0 {
		runtime.Goexit()
	}
	done.Add(1)
	goesAway(depth-1, done)
}

func worker(id int, sums []int, done *sync.WaitGroup) {
	defer done.Done()
	var kept [8]int
	for round := 0; round < 6; round++ {
		sums[id] += grow(10*id + 50*round)
		runtime.Gosched()
		fill(&kept, 20*round)
		sums[id] += recovers(5 * round)
		if round%3 == 2 {
			// Nothing is deep now: the collector makes stacks smaller.
			collect(id)
		}
	}
	for _, x := range kept {
		sums[id] += x
	}
}

func pingPong(rounds int) int {
	a, b := make(chan int), make(chan int)
	last := make(chan int)
	go func() {
		x := 0
		for i := 0; i < rounds; i++ {
			x = swap(a, b)
		}
		last <- x
	}()
	for i := 0; i < rounds; i++ {
		a <- i
		<-b
		if i%20 == 0 {
			grow(i)
		}
	}
	return <-last
}

func main() {
	var done sync.WaitGroup
	sums := make([]int, 8)

	fmt.Println("deep", grow(5000))
	for id := range sums {
		done.Add(1)
		go worker(id, sums, &done)
	}
	done.Wait()
	fmt.Println("workers", sums)
	fmt.Println("ping-pong", pingPong(200))
	for i := 0; i < 20; i++ {
		done.Add(1)
		go goesAway(i, &done)
	}
	done.Wait()
	collect(10)
	fmt.Println("deep again", grow(3000), leaf(1))
	fmt.Fprintln(os.Stderr, leaves)
}
