// A ticket's code as a picture for the door: black on white whatever the page's colours are.

import { encode } from 'uqr';
import { t } from '../../app/lang.ts';

const QUIET = 4;

/** The dark modules as one path. */
export function qrPath(code: string): { path: string; size: number } {
  const { data, size } = encode(code, { ecc: 'M', border: 0 });
  let path = '';
  for (const [y, row] of data.entries()) {
    for (let x = 0; x < size; x++) {
      const start = x;
      while (row[x]) x++;
      if (x > start) path += `M${start + QUIET} ${y + QUIET}h${x - start}v1h-${x - start}z`;
    }
  }
  return { path, size: size + 2 * QUIET };
}

export function Qr({ code }: { code: string }) {
  const { path, size } = qrPath(code);
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t(['입장용 QR 코드', 'QR code for entry'])} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" /><path d={path} fill="#000" />
    </svg>
  );
}
