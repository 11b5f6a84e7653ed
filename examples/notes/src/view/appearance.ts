/** Light, dark, or as the system has it. Kept on this device. */

export const APPEARANCES = ['system', 'light', 'dark'] as const;
export type Appearance = (typeof APPEARANCES)[number];

export function appearance(): Appearance {
  const kept = localStorage.getItem('appearance');
  return APPEARANCES.find((name) => name === kept) ?? 'system';
}

export function setAppearance(name: Appearance): void {
  localStorage.setItem('appearance', name);
  document.documentElement.dataset['appearance'] = name;
}
