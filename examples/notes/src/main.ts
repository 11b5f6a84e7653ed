/**
 * Notes: a local-first app with 0k-Sync.
 *
 * # Layout
 * - `notebook`: the notes and their database, and which of two versions wins. `sync`: all moving of data. `links`: invites as links.
 * - `view/`: the window. It reads the notebook, and asks nobody's permission to show a change.
 */

import '@fontsource-variable/inter/index.css';
import '@fontsource-variable/source-serif-4/index.css';
import './style.css';

import { getCurrentWindow } from '@tauri-apps/api/window';

import { followLinks } from './links';
import { Notebook } from './notebook';
import { sentenceOf, startSync } from './sync';
import { appearance, setAppearance } from './view/appearance';
import { Badge } from './view/badge';
import { Editor } from './view/editor';
import { List } from './view/list';
import { Notices } from './view/notices';
import { Sheet } from './view/sheet';

const app = document.querySelector('#app') as HTMLElement;
setAppearance(appearance());

const notebook = await Notebook.open();
const notices = new Notices();
const sheet = new Sheet((sentence) => notices.show(sentence));
const badge = new Badge(() => sheet.open('home'));
const list = new List(notebook, badge.element, { open, create });
const editor = new Editor(notebook, { close: () => open(undefined), create });
app.append(list.element, editor.element, sheet.element, notices.element);

let current: string | undefined;
notebook.onChange(({ note, from }) => {
  list.draw();
  if (from === 'here' || note.id !== current) return;
  if (note.deleted) open(undefined);
  else editor.refresh(note);
});
open(notebook.notes[0]?.id);

document.addEventListener('keydown', (event) => {
  if (event.key !== 'n' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  create();
});
const unsaved = (error: unknown): string => `The last change is not saved: ${sentenceOf(error)}`;
notebook.onFailed((error) => notices.show(unsaved(error)));
// What is on screen reaches the database before the window is gone: a moment for the disk, none for the network.
let warned = false;
await getCurrentWindow().onCloseRequested(async (event) => {
  try {
    await notebook.flush();
  } catch (error) {
    // Once, there is time to copy the text. Whoever closes again means it.
    if (!warned) event.preventDefault();
    warned = true;
    notices.show(`${unsaved(error)} Close again to lose it.`);
  }
});
// Phones do not close windows. They hide them, and perhaps never show them again.
document.addEventListener('visibilitychange', () => notebook.flushSoon());
setInterval(() => {
  list.draw();
  editor.tick();
}, 30_000);

await followLinks((link) => sheet.open('join', link));
await startSync(notebook, {
  status(status) {
    badge.show(status);
    sheet.status(status);
  },
  notice: (sentence) => notices.show(sentence),
  group: () => sheet.group(),
});

function open(id: string | undefined, focus = false): void {
  current = id;
  list.show(id);
  editor.show(id, focus);
  app.toggleAttribute('data-reading', id !== undefined);
}

function create(): void {
  notebook.forgetEmpty();
  open(notebook.create().id, true);
}
