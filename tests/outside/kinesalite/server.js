// Kinesalite on a free port of loopback, until standard input ends: it never outlives the program that started it.
//
//     node server.js PACKAGES [STATE]
//
// PACKAGES is a folder with `node_modules`; STATE is a folder that keeps the streams, which are in memory without one.
// The first line of output is its URL.

'use strict'

const [packages, state] = process.argv.slice(2)
const kinesalite = require(require.resolve('kinesalite', { paths: [packages] }))

// Streams come, go and are resharded in a moment, where it would otherwise take half a second each.
const moment = 20
const server = kinesalite({
  path: state,
  createStreamMs: moment,
  deleteStreamMs: moment,
  updateStreamMs: moment,
  shardLimit: 1000,
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
