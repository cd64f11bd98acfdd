// Lists the passes that this browser keeps.
const passes = await window.caches?.open('passes');
const kept = document.getElementById('kept');
for (const request of await passes?.keys() ?? []) {
  const page = new DOMParser().parseFromString(await (await passes.match(request)).text(), 'text/html');
  const link = Object.assign(document.createElement('a'), { href: request.url, textContent: page.querySelector('h1').textContent });
  const item = document.createElement('li');
  item.append(link, ', ', page.querySelector('main time').textContent);
  kept.querySelector('ul').append(item);
  kept.hidden = false;
}
