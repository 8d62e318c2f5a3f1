// Makes the commands on the about page ready to run: fills in this site's
// address and adds a button that copies.

const status = document.getElementById('status');

for (const block of document.querySelectorAll('.commands pre')) {
  const code = block.querySelector('code');
  code.textContent = code.textContent.replaceAll('$SITE', location.origin);
  // Nobody vouches for the development certificate; curl has to be told.
  if (location.protocol === 'https:') code.textContent = code.textContent.replaceAll('curl -i', 'curl -ik');
  block.tabIndex = 0;
  const title = block.parentElement.querySelector('h3').textContent;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'small';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', `Copy: ${title}`);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
      status.textContent = 'Copied.';
    } catch {
      status.textContent = 'Copying is not allowed here; select the text instead.';
      getSelection().selectAllChildren(code);
    }
  });
  block.before(button);
}
