'use strict'
// Hello by Node alone: http, and on a second port https and HTTP/2 as the client chooses.
// In: PORT TLS-PORT CERTIFICATE KEY. Out: "listening on PORT" on stdout.
const fs = require('fs')
const http = require('http')
const http2 = require('http2')

const [port, tlsPort, certificate, key] = process.argv.slice(2)
const hello = (req, res) => {
  if (req.url === '/json') {
    const text = JSON.stringify({ message: 'Hello, World!' })
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    return res.end(text)
  }
  res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'content-length': 13 })
  res.end('Hello, World!')
}
const options = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true }
http2.createSecureServer(options, hello).listen(Number(tlsPort), '127.0.0.1')
http.createServer(hello).listen(Number(port), '127.0.0.1', () => console.log(`listening on ${port}`))
