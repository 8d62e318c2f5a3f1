'use strict'
// Sessions by express-session: in memory, or in Redis where the second argument is its address.
// In: port, redis://… . Out: "listening on PORT" on stdout when it answers.
const express = require('express')
const session = require('express-session')

const [port, address] = process.argv.slice(2)

async function store () {
  if (!address) return undefined
  const { RedisStore } = require('connect-redis')
  const client = require('redis').createClient({ url: address })
  await client.connect()
  return new RedisStore({ client })
}

async function main () {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.get('/nosession', (req, res) => res.type('text').send('ok'))
  app.use(session({ secret: 'a secret', resave: false, saveUninitialized: false, store: await store() }))
  const told = (n) => `n=${n} pid=${process.pid}`
  app.get('/session/incr', (req, res) => { req.session.n = (req.session.n || 0) + 1; res.type('text').send(told(req.session.n)) })
  app.get('/session/peek', (req, res) => res.type('text').send(told(req.session.n || 0)))
  app.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${port}`))
}
main()
