// What went wrong. The words for it come when something does.

import { lazy } from './lazy.tsx';

export const Trouble = lazy<{ failure: unknown; retry?: () => void }>(() => import('./trouble-card.tsx'), false);
