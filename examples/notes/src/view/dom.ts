/**
 * Building the window out of elements. Text goes in as text, never as markup: a note may contain anything, and this window may invite
 * devices.
 */

type Child = Node | string | null | undefined | false;
type Properties = Record<string, string | number | boolean | ((event: never) => void) | undefined>;

/** An element with attributes, `on…` handlers and children. An attribute that is `true` stands alone; `false` and `undefined` do not stand. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as unknown as EventListener);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  fill(element, ...children);
  return element;
}

/** Replaces what an element contains. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
}

/** A button that cannot be pressed again before its work is done, and shows that it works. */
export function busyButton(label: string, properties: Properties, work: () => Promise<void>): HTMLButtonElement {
  const button: HTMLButtonElement = h('button', { type: 'button', ...properties, onclick: () => void run() }, label);
  const run = async (): Promise<void> => {
    button.disabled = true;
    button.classList.add('busy');
    try {
      await work();
    } finally {
      button.disabled = false;
      button.classList.remove('busy');
    }
  };
  return button;
}
