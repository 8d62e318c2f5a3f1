'use strict'
// Fastify: hello, JSON, JSON bodies, and as many routes as told. In: PORT ROUTES. Out: "listening on PORT" on stdout.
const fastify = require('fastify')()

const [port, routes] = process.argv.slice(2).map(Number)
fastify.get('/', (request, reply) => { reply.type('text/plain; charset=utf-8').send('Hello, World!') })
fastify.get('/json', (request, reply) => { reply.send({ message: 'Hello, World!' }) })
fastify.post('/json-body', (request, reply) => {
  const { name, email, text } = request.body
  reply.send({ name, email, length: text.length })
})
for (let number = 0; number < routes; number++) {
  if ((routes - number) % 2) fastify.get(`/area${number}/:id`, (request, reply) => { reply.send(request.params.id) })
  else fastify.get(`/area${number}/all`, (request, reply) => { reply.send('all') })
}
fastify.listen({ port, host: '127.0.0.1' }).then(() => console.log(`listening on ${port}`))
