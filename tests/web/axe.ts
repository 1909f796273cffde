// Scans a page for what shuts people out, in light and in dark.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** No violation of WCAG 2.2 A and AA, in either colour scheme. */
export async function accessible(page: Page, where: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // The page's own policy allows no foreign script; what the browser's tools run is not bound by it.
    await page.evaluate(AXE);
    const found = await page.evaluate((tags) => (globalThis as any).axe.run(document, { runOnly: tags, resultTypes: ['violations'] }), TAGS);
    const violations = found.violations.map((each: any) => `${each.id}: ${each.nodes.slice(0, 4).map((node: any) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ''})`).join('; ')}`);
    assert.deepEqual(violations, [], `${where}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
}
