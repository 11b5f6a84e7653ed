/**
 * Drawn by hand for this app, in one weight on a grid of 24. The four indicators of sync are a cloud with a mark, and a telephone that
 * is cut off: ☁️✓ ☁️⏳ ☁️✗ 📴. They differ in shape, not only in colour.
 */

const CLOUD = '<path d="M7.1 18.25h9.8a4.1 4.1 0 0 0 .75-8.13 5.85 5.85 0 0 0-11.3-1.06A4.62 4.62 0 0 0 7.1 18.25Z"/>';

const SHAPES = {
  synced: `${CLOUD}<path class="mark" d="m9.1 13.1 2.15 2.15 4-4.3"/>`,
  pending:
    `${CLOUD}<path class="mark" stroke-width="1.25" d="M9.6 9.6h4.8M9.6 16h4.8M10.2 9.6c0 3.1 3.6 3.3 3.6 6.4M13.8 9.6c0 3.1-3.6 3.3-3.6 6.4"/>`,
  failed: `${CLOUD}<path class="mark" d="m10.1 11.1 3.8 3.8m0-3.8-3.8 3.8"/>`,
  offline: '<path d="M8 3.6h7.4A1.6 1.6 0 0 1 17 5.2v10.3M17 19.4a1.6 1.6 0 0 1-1.6 1.6H8.6A1.6 1.6 0 0 1 7 19.4V8M11 18h2M4 4l16.5 16.5"/>',
  plus: '<path d="M12 5v14M5 12h14"/>',
  search: '<circle cx="10.8" cy="10.8" r="6.3"/><path d="m20 20-4.6-4.6"/>',
  close: '<path d="m6 6 12 12M18 6 6 18"/>',
  back: '<path d="m14.5 5-7 7 7 7"/>',
  trash: '<path d="M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.9 12.5h9.2L17.5 7M10.3 11v4.8M13.7 11v4.8"/>',
  laptop: '<path d="M5.5 16V6.3c0-.7.6-1.3 1.3-1.3h10.4c.7 0 1.3.6 1.3 1.3V16M3 18.5h18"/>',
  link: '<path d="M9.5 14.5 14.5 9.5M8 11l-2 2a3.9 3.9 0 0 0 5.5 5.5l2-2M16 13l2-2a3.9 3.9 0 0 0-5.5-5.5l-2 2"/>',
  settings:
    '<path d="M4 7h9M17 7h3M4 12h3M11 12h9M4 17h11M19 17h1"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="12" r="2"/><circle cx="17" cy="17" r="2"/>',
  copy: '<rect x="8.5" y="8.5" width="11" height="11" rx="2"/><path d="M15.5 8.5v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2"/>',
  check: '<path d="m5 12.5 4.6 4.6L19 7.5"/>',
} as const;

export type IconName = keyof typeof SHAPES;

export function icon(name: IconName, size = 20): SVGElement {
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="${size}" height="${size}" fill="none" stroke="currentColor" ` +
    `stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${SHAPES[name]}</svg>`;
  return new DOMParser().parseFromString(text, 'image/svg+xml').documentElement as unknown as SVGElement;
}
