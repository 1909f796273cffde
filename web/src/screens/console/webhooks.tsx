// Where the organiser's own systems are told of sales. Endpoints are known by name; those used here are remembered.

import { useState } from 'preact/hooks';
import type { Webhook } from '../../api/contract.ts';
import { dateTime, t, type Pair } from '../../app/lang.ts';
import { useRemote } from '../../app/remote.ts';
import { client, store } from '../../app/services.ts';
import { Trouble } from '../../app/trouble.tsx';
import { Ask } from '../../app/sheet.tsx';
import { Heading } from '../../app/ui.tsx';
import { Field, Summary, useForm } from '../account/form.tsx';

const T = {
  h1: ['웹훅', 'Webhooks'],
  lead: ['예매가 확정되거나 취소될 때 서명된 알림을 보내는 주소예요. 비밀 값은 저장한 뒤 다시 보여 주지 않아요.', 'Addresses that get a signed message when orders are made or undone. The secret is never shown again after saving.'],
  id: ['이름', 'Name'],
  url: ['주소', 'Address'],
  secret: ['비밀 값', 'Secret'],
  save: ['저장', 'Save'],
  remove: ['지우기', 'Delete'],
  ask: ['{n} 주소로 더 이상 알림을 보내지 않아요.', 'No more messages are sent to {n}.'],
  fill: ['모두 적어 주세요.', 'Please fill in everything.'],
  known: ['등록한 웹훅', 'Registered webhooks'],
  make: ['만들기', 'Generate'],
} satisfies Record<string, Pair>;

const KNOWN = 'tt.webhooks';
const known = (): string[] => JSON.parse(store.getItem(KNOWN) ?? '[]') as string[];
const remember = (ids: string[]): void => store.setItem(KNOWN, JSON.stringify([...new Set(ids)]));

async function load(): Promise<Webhook[]> {
  const found = await Promise.all(known().map((id) => client.call('GET /admin/webhooks/{id}', { id }).catch(() => undefined)));
  return found.filter((each): each is Webhook => !!each);
}

function newSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(24))))}`;
}

export function Webhooks() {
  const { data, again } = useRemote('webhooks', load);
  const [secret, setSecret] = useState('');
  const [going, setGoing] = useState<Webhook>();
  const [problem, setProblem] = useState<unknown>();
  const form = useForm(
    ({ id, url, secret: value }): Record<string, string> => (id && url && value ? {} : { form: t(T.fill) }),
    async ({ id = '', url = '', secret: value = '' }) => {
      await client.call('PUT /admin/webhooks/{id}', { id, body: { url, secret: value } });
      remember([...known(), id]);
      setSecret('');
      again();
    },
  );
  const remove = async (id: string): Promise<void> => {
    try {
      await client.call('DELETE /admin/webhooks/{id}', { id });
      remember(known().filter((each) => each !== id));
      again();
    } catch (failure) {
      setProblem(failure);
    }
  };
  return (
    <>
      <Heading>{t(T.h1)}</Heading>
      <p class="soft">{t(T.lead)}</p>
      {problem !== undefined && <Trouble failure={problem} />}
      {data && data.length > 0 && (
        <section class="stack"><h2>{t(T.known)}</h2><ul class="bookings-list">{data.map((hook) => (
          <li key={hook.webhook_id} class="panel plain"><div class="spread"><b>{hook.webhook_id}</b><button type="button" class="small danger-text" onClick={() => setGoing(hook)}>{t(T.remove)}</button></div><span>{hook.url}</span><small class="soft">{dateTime(hook.updated_at)}</small></li>
        ))}</ul></section>
      )}
      <form class="panel form" onSubmit={form.submit} noValidate>
        <Summary sending={form} />
        <Field name="id" label={T.id} required error={form.errors.id} />
        <Field name="url" label={T.url} type="url" required error={form.errors.url} />
        <Field name="secret" label={T.secret} required value={secret} onInput={setSecret} error={form.errors.secret} />
        <p class="row"><button class="primary" disabled={form.pending}>{t(T.save)}</button><button type="button" onClick={() => setSecret(newSecret())}>{t(T.make)}</button></p>
      </form>
      {going && <Ask danger title={t(T.remove)} text={t(T.ask, { n: going.url })} yes={t(T.remove)} onYes={() => remove(going.webhook_id)} onClose={() => setGoing(undefined)} />}
    </>
  );
}
