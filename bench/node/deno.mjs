// Deno.serve: hello and JSON. In: PORT. Out: "listening on PORT" on stdout.
const port = Number(Deno.args[0])
const text = { headers: { 'content-type': 'text/plain; charset=utf-8' } }
const onListen = () => console.log(`listening on ${port}`)
Deno.serve({ port, hostname: '127.0.0.1', onListen }, (request) => {
  if (request.url.endsWith('/json')) return Response.json({ message: 'Hello, World!' })
  return new Response('Hello, World!', text)
})
