'use strict'
// An Express application with the sessions, routes and cookies of the tests' own one. Settings come from the
// environment:
//   STORE             redis or pg; REDIS_URL or DATABASE_URL
//   SESSION_SECRETS   separated by commas, the first one signs
//   MAX_AGE           milliseconds, or none; ROLLING 0/1
// Writes "ready <port>" when it takes requests.
const express = require('express')
const session = require('express-session')
const cookieParser = require('cookie-parser')

const env = process.env
const secrets = env.SESSION_SECRETS.split(',')

async function open () {
  if (env.STORE === 'pg') {
    const { Pool } = require('pg')
    const PgStore = require('connect-pg-simple')(session)
    const pool = new Pool({ connectionString: env.DATABASE_URL })
    pool.on('error', (error) => console.error('postgresql:', error.message))
    return new PgStore({ pool, createTableIfMissing: true, pruneSessionInterval: false })
  }
  const { RedisStore } = require('connect-redis')
  const { createClient } = require('redis')
  const client = createClient({ url: env.REDIS_URL })
  client.on('error', (error) => console.error('redis:', error.message))
  await client.connect()
  return new RedisStore({ client })
}

async function main () {
  const app = express()
  app.use(cookieParser(secrets))
  app.use(express.json())
  const cookie = { sameSite: 'lax' }
  if (env.MAX_AGE !== 'none') cookie.maxAge = Number(env.MAX_AGE)
  const store = await open()
  app.use(session({ secret: secrets, resave: false, saveUninitialized: false, rolling: env.ROLLING === '1', cookie, store }))

  const view = (req) => ({
    sid: req.sessionID, user: req.session.user ?? null, views: req.session.views ?? 0, cart: req.session.cart ?? null
  })
  app.post('/login', (req, res, next) => req.session.regenerate((error) => {
    if (error) return next(error)
    req.session.user = { name: String(req.body.user), at: new Date(0).toISOString(), note: '안녕 "quoted" \\ 😀' }
    req.session.views = 0
    res.json(view(req))
  }))
  app.post('/views', (req, res) => { req.session.views = (req.session.views || 0) + 1; res.json(view(req)) })
  app.post('/cart', (req, res) => { req.session.cart = req.body; res.json(view(req)) })
  app.get('/me', (req, res) => res.json(view(req)))
  app.post('/logout', (req, res, next) => req.session.destroy((error) => error ? next(error) : res.json({ ok: true })))

  // A slow request: writes to the session, and answers when another request says so.
  let go
  app.post('/slow', (req, res) => { req.session.late = true; go = () => res.json(view(req)); begun.splice(0).forEach((tell) => tell()) })
  const begun = []
  app.post('/slow/begun', (req, res) => { const tell = () => res.json({ ok: true }); go ? tell() : begun.push(tell) })
  app.post('/slow/go', (req, res) => { go(); go = undefined; res.json({ ok: true }) })

  app.post('/cookies', (req, res) => {
    res.cookie('plain', 'a b;c,"d" 안녕')
    res.cookie('signed', 'value.with.dots', { signed: true })
    res.cookie('json', { n: 1, list: ['x', '한'] })
    res.cookie('signedjson', { ok: true }, { signed: true })
    res.json({ ok: true })
  })
  const pick = (from, keys) => Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]))
  app.get('/cookies', (req, res) => {
    res.json({ cookies: pick(req.cookies, ['plain', 'json']), signed: pick(req.signedCookies, ['signed', 'signedjson']) })
  })
  app.use((error, req, res, next) => res.status(500).json({ error: error.name, message: error.message }))

  const server = app.listen(0, '127.0.0.1', () => console.log('ready', server.address().port))
}
main().catch((error) => { console.error(error); process.exit(1) })
