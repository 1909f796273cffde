// What could not be delivered: why, and once more.

import { useState } from 'preact/hooks';
import type { DeadLetter } from '../../api/contract.ts';
import { newKey } from '../../api/keys.ts';
import { dateTime, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { client } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Heading, Skeleton } from '../../app/ui.tsx';

const T = {
  h1: ['배달 실패', 'Dead letters'],
  none: ['배달하지 못한 알림이 없어요.', 'Everything was delivered.'],
  again: ['다시 보내기', 'Send again'],
  all: ['모두 다시 보내기', 'Send all again'],
  what: ['알림', 'Message'],
  where: ['웹훅', 'Webhook'],
  why: ['이유', 'Why'],
  when: ['시각', 'When'],
} satisfies Record<string, Pair>;

export function DeadLetters() {
  const { data, failure, again } = useRemote('dead letters', () => client.call('GET /admin/dead-letters'), 5000);
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const redrive = async (letters: DeadLetter[]): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      for (const { id } of letters) await client.call('POST /admin/dead-letters/{id}/redrive', { id, key: newKey(), body: {} });
    } catch (trouble) {
      setProblem(trouble);
    } finally {
      setBusy(false);
      again();
    }
  };
  const letters = data?.dead_letters ?? [];
  return (
    <>
      <div class="spread"><Heading>{t(T.h1)}</Heading>{letters.length > 0 && <button type="button" disabled={busy} onClick={() => redrive(letters)}>{t(T.all)}</button>}</div>
      {problem !== undefined && <Trouble failure={problem} />}
      {!data && (failure ? <Trouble failure={failure} retry={again} /> : <Skeleton lines={4} />)}
      {data && !letters.length && <p class="empty">{t(T.none)}</p>}
      {letters.length > 0 && (
        <div class="table-wrap" tabIndex={0} role="region" aria-label={t(T.h1)}>
          <table>
            <thead><tr><th>{t(T.what)}</th><th>{t(T.where)}</th><th>{t(T.why)}</th><th>{t(T.when)}</th><th><span class="sr">{t(T.again)}</span></th></tr></thead>
            <tbody>{letters.map((letter) => (
              <tr key={letter.id}>
                <th scope="row">{letter.type ?? '–'}<small class="soft">{letter.event_id} · {letter.sequence}</small></th><td>{letter.webhook_id ?? '–'}</td><td>{letter.problem}</td><td>{dateTime(letter.failed_at)}</td>
                <td><button type="button" class="small" disabled={busy} onClick={() => redrive([letter])}>{t(T.again)}</button></td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </>
  );
}
