// Bun.serve: hello, JSON, bodies, and as many routes as told. In: PORT ROUTES. Out: "listening on PORT" on stdout.
const [port, count] = process.argv.slice(2).map(Number)
const text = { headers: { 'content-type': 'text/plain; charset=utf-8' } }
const routes = {
  '/': () => new Response('Hello, World!', text),
  '/json': () => Response.json({ message: 'Hello, World!' }),
  '/form': {
    async POST (request) {
      const form = new URLSearchParams(await request.text())
      return new Response(`${form.get('name')} <${form.get('email')}>: ${form.get('text').length}`, text)
    }
  },
  '/json-body': {
    async POST (request) {
      const { name, email, text } = await request.json()
      return Response.json({ name, email, length: text.length })
    }
  }
}
for (let number = 0; number < count; number++) {
  if ((count - number) % 2) routes[`/area${number}/:id`] = (request) => new Response(request.params.id, text)
  else routes[`/area${number}/all`] = () => new Response('all', text)
}
Bun.serve({ port, hostname: '127.0.0.1', idleTimeout: 0, routes })
console.log(`listening on ${port}`)
