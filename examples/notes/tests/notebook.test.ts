import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Notebook } from '../src/notebook';
import { Backend } from './fake';

let backend: Backend;
let notebook: Notebook;
const failures: unknown[] = [];

beforeEach(async () => {
  vi.useFakeTimers();
  failures.length = 0;
  backend = new Backend();
  backend.load();
  notebook = await Notebook.open();
  notebook.onFailed((error) => failures.push(error));
});
afterEach(() => vi.useRealTimers());

it('what cannot be saved stays on screen, is said, and is saved when it can be', async () => {
  const { id } = notebook.create();
  backend.answer('save_note', () => Promise.reject('the disk is full'));
  notebook.edit(id, 'milk');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(failures).toEqual(['the disk is full']);
  // Whoever closes the window hears of it, too, each time.
  await expect(notebook.flush()).rejects.toBe('the disk is full');
  await expect(notebook.flush()).rejects.toBe('the disk is full');
  expect(notebook.get(id)?.text).toBe('milk');

  const saved: unknown[] = [];
  backend.answer('save_note', (args) => {
    saved.push(args);
    return { id, text: args['text'], deleted: false, updatedAt: 2, revision: 'r', state: 'local', pushKey: 'r' };
  });
  notebook.edit(id, 'milk and bread');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(saved).toEqual([{ id, text: 'milk and bread' }]);
  await notebook.flush();
  expect(saved).toHaveLength(1);
});

it('a failed save is tried again without anybody typing', async () => {
  const { id } = notebook.create();
  let times = 0;
  backend.answer('save_note', () => {
    times += 1;
    return times < 3 ? Promise.reject('busy') : { id, text: 'milk', deleted: false, updatedAt: 2, revision: 'r', state: 'local', pushKey: 'r' };
  });
  notebook.edit(id, 'milk');
  await vi.advanceTimersByTimeAsync(60_000);
  expect([times, failures.length]).toEqual([3, 2]);
});

it('a note that cannot be deleted is shown again', async () => {
  backend.synced('a');
  notebook = await Notebook.open();
  notebook.onFailed((error) => failures.push(error));
  backend.answer('delete_note', () => Promise.reject('the disk is full'));
  await notebook.remove('a');
  expect(notebook.notes.map((note) => note.text)).toEqual(['a']);
  expect(failures).toEqual(['the disk is full']);
});
