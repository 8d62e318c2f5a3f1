'use strict'
// Express: hello, JSON, bodies, and as many routes as told. In: PORT ROUTES. Out: "listening on PORT" on stdout.
const express = require('express')

const [port, routes] = process.argv.slice(2).map(Number)
const app = express()
app.disable('x-powered-by')
app.disable('etag')
app.get('/', (req, res) => res.type('text').send('Hello, World!'))
app.get('/json', (req, res) => res.json({ message: 'Hello, World!' }))
app.post('/form', express.urlencoded({ extended: false }), (req, res) => {
  const { name, email, text } = req.body
  res.type('text').send(`${name} <${email}>: ${text.length}`)
})
app.post('/json-body', express.json(), (req, res) => {
  const { name, email, text } = req.body
  res.json({ name, email, length: text.length })
})
for (let number = 0; number < routes; number++) {
  if ((routes - number) % 2) app.get(`/area${number}/:id`, (req, res) => res.type('text').send(req.params.id))
  else app.get(`/area${number}/all`, (req, res) => res.type('text').send('all'))
}
app.listen(port, '127.0.0.1', () => console.log(`listening on ${port}`))
