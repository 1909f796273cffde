// A picture for every event, drawn from its name: rows of seats around a stage. No file is loaded for it.

const INKS = ['#3355dd', '#0d7a5f', '#a23b72', '#c2571a', '#5b3fc4', '#0b6f9c'];

function hashOf(text: string): number {
  let hash = 2166136261;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619);
  return hash >>> 0;
}

export function Poster({ seed, wide = false }: { seed: string; wide?: boolean }) {
  const hash = hashOf(seed);
  const ink = INKS[hash % INKS.length]!;
  const turn = ((hash >> 5) % 50) - 25;
  const width = wide ? 440 : 160;
  const rows = Array.from({ length: wide ? 18 : 7 }, (_, row) => row);
  return (
    <svg class="poster" viewBox={`0 0 ${width} 100`} preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">
      <rect width={width} height="100" fill={ink} />
      <g transform={`rotate(${turn} ${width / 2} 8)`} fill="none" stroke="#fff" stroke-linecap="round">
        {rows.map((row) => {
          const bit = (hash >> ((row % 12) + 8)) & 3;
          return <circle key={row} cx={width / 2} cy="6" r={26 + row * 12} stroke-width={3.6 + Math.min(row, 8) * 0.5} opacity={0.16 + bit * 0.17} stroke-dasharray={`0 ${8 + bit * 1.6 + row * 0.4}`} />;
        })}
        <circle cx={width / 2} cy="6" r="13" fill="#fff" stroke="none" opacity=".92" />
      </g>
    </svg>
  );
}
