// SPDX-License-Identifier: GPL-2.0-only
//
// Some of everything: compiled code that is thrown away, collections, threads,
// files, exceptions. Run by returns.sh; prints the same in every run.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const vm = require('vm');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function deep(n) {
	return n ? deep(n - 1) + 1 : 0;
}

function overflow() {
	return overflow() + 1;
}

function work(seed) {
	let x = seed, kept = [];

	for (let i = 0; i < 20000; i++) {
		x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
		if (i % 4 === 0)
			kept.push({ x, text: 'item ' + x });
		if (kept.length > 2000)
			kept = kept.filter((k) => k.x & 1);
	}
	const copy = JSON.parse(JSON.stringify(kept.slice(0, 500)));
	const sorted = copy.sort((a, b) => a.x - b.x).map((k) => k.text.replace(/[0-4]/g, 'n'));

	return crypto.createHash('sha256').update(sorted.join()).digest('hex').slice(0, 16);
}

if (!isMainThread) {
	parentPort.postMessage(work(workerData));
} else {
	(async () => {
		console.log('work', work(1), deep(5000));
		for (let i = 0; i < 3; i++) {
			try {
				overflow();
			} catch (e) {
				console.log('caught', e.constructor.name);
			}
		}
		console.log('script', vm.runInNewContext('let s = 0; for (let i = 0; i < 1e5; i++) s += i; s'));

		const packed = zlib.gzipSync('text '.repeat(20000));
		console.log('zlib', zlib.gunzipSync(packed).length);
		await fs.promises.writeFile('/tmp/load.out', packed);
		console.log('file', (await fs.promises.readFile('/tmp/load.out')).equals(packed));

		const workers = [2, 3].map((seed) => new Promise((resolve, reject) => {
			new Worker(__filename, { workerData: seed }).on('message', resolve).on('error', reject);
		}));
		console.log('threads', (await Promise.all(workers)).join(' '));
		for (let i = 0; i < 50; i++)
			await new Promise((resolve) => setTimeout(resolve, i % 3));
		if (global.gc)
			global.gc();
		console.log('end', work(4));
	})();
}
