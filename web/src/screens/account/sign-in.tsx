// Signing in, as a page's content or inside a sheet: what is under way stays where it is.

import { client, signIn } from '../../app/services.ts';
import { liveSales, saleOf } from '../../app/sessions.ts';
import { summary } from '../../app/shell.tsx';
import { t, type Pair } from '../../app/lang.ts';
import { Field, Summary, useForm } from './form.tsx';
import './account.css';

const T = {
  user: ['아이디', 'User name'],
  password: ['비밀번호', 'Password'],
  submit: ['로그인', 'Sign in'],
  pending: ['확인하고 있어요…', 'Checking…'],
  fill: ['아이디와 비밀번호를 모두 적어 주세요.', 'Please enter both user name and password.'],
  register: ['처음이신가요? 회원 가입', 'New here? Create an account'],
  kept: ['하던 일은 그대로예요', 'What you were doing is kept'],
} satisfies Record<string, Pair>;

export default function SignIn({ onDone, back }: { onDone: () => void; back?: string }) {
  const form = useForm(
    ({ username, password }): Record<string, string> => (username && password ? {} : { form: t(T.fill) }),
    async ({ username = '', password = '' }) => {
      signIn(await client.call('POST /auth/login', { body: { username: username.trim(), password } }));
      continueAll();
      onDone();
    },
  );
  const [live] = liveSales();
  return (
    <form class="form" onSubmit={form.submit} noValidate>
      {live && <p class="notice good small-text">{t(T.kept)} · {summary(live)}</p>}
      <Summary sending={form} />
      <Field name="username" label={T.user} autocomplete="username" required error={form.errors.username} />
      <Field name="password" label={T.password} type="password" autocomplete="current-password" required error={form.errors.password} />
      <button class="primary big" disabled={form.pending}>{t(form.pending ? T.pending : T.submit)}</button>
      <a class="center" href={`/register${back ? `?back=${encodeURIComponent(back)}` : ''}`} onClick={onDone}>{t(T.register)}</a>
    </form>
  );
}

/** Requests that waited for this are sent again, with their keys. */
export function continueAll(): void {
  for (const { event } of liveSales()) saleOf(event).runner.send({ type: 'signed-in' });
}
