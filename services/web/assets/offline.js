// Lists the passes that this browser keeps.
import { keptPasses } from 'shop/passes';

for (const { url, title, date, isPast } of window.caches ? await keptPasses() : []) {
  const section = document.getElementById(isPast ? 'kept-past' : 'kept');
  const item = document.createElement('li');
  item.append(Object.assign(document.createElement('a'), { href: url, textContent: `${title}, ${date}` }));
  section.querySelector('ul').append(item);
  section.hidden = false;
}
