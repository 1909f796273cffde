// Whether the platform is well, and which build it is.

import { t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { clock, beat } from '../../app/services.ts';
import { Heading } from '../../app/ui.tsx';

const T = {
  h1: ['시스템', 'System'],
  ready: ['준비 상태', 'Readiness'],
  ok: ['모두 정상이에요.', 'All is well.'],
  bad: ['응답하지 않는 부분이 있어요.', 'Something does not answer.'],
  version: ['버전', 'Version'],
  clock: ['서버 시계와의 차이', 'Distance to the server’s clock'],
} satisfies Record<string, Pair>;

async function look(): Promise<{ ready: boolean; words: string; version: string }> {
  const [ready, version] = await Promise.all([fetch('/readyz'), fetch('/version').then((response) => response.json())]);
  return { ready: ready.ok, words: ready.ok ? '' : await ready.text(), version: `${version.version} · ${version.commit}` };
}

export function System() {
  const { data } = useRemote('system', look, 5000);
  beat.value;
  return (
    <>
      <Heading>{t(T.h1)}</Heading>
      <dl class="facts panel plain">
        <dt>{t(T.ready)}</dt><dd><span role="status">{data ? (data.ready ? `● ${t(T.ok)}` : `✕ ${t(T.bad)} ${data.words}`) : '…'}</span></dd>
        <dt>{t(T.version)}</dt><dd>{data?.version ?? '…'}</dd>
        <dt>{t(T.clock)}</dt><dd>{Math.round(clock.now() - Date.now())} ms (±{Number.isFinite(clock.error) ? clock.error : '?'} ms)</dd>
      </dl>
      <p class="row"><a href="/docs" data-load>API</a><a href="/openapi.json" data-load>OpenAPI</a><a href="/metrics" data-load>Metrics</a></p>
    </>
  );
}
