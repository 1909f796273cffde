// Signing in and registering as pages of their own.

import { useEffect, useState } from 'preact/hooks';
import { t, type Pair } from '../../app/lang.ts';
import { go } from '../../app/router.ts';
import { auth, client, signIn, title } from '../../app/services.ts';
import { Heading } from '../../app/ui.tsx';
import { Field, Summary, useForm } from './form.tsx';
import SignIn, { continueAll } from './sign-in.tsx';

const T = {
  login: ['로그인', 'Sign in'],
  register: ['회원 가입', 'Create an account'],
  why: ['로그인하면 줄 선 순번과 예매 내역이 다른 기기에서도 이어져요.', 'Signed in, your place in line and your tickets follow you to other devices.'],
  user: ['아이디', 'User name'],
  userHint: ['영문, 숫자, _ - 로 3–32자', '3–32 letters, digits, _ or -'],
  password: ['비밀번호', 'Password'],
  passwordHint: ['8자 이상 (지금 {n}자)', 'At least 8 characters ({n} now)'],
  email: ['이메일', 'E-mail'],
  name: ['표시 이름', 'Display name'],
  nameHint: ['비워 두면 아이디로 보여요.', 'Left empty, your user name is shown.'],
  submit: ['가입하고 로그인', 'Create and sign in'],
  pending: ['만들고 있어요…', 'Creating…'],
  have: ['이미 계정이 있나요? 로그인', 'Have an account? Sign in'],
  badUser: ['아이디를 다시 확인해 주세요.', 'Please check the user name.'],
  badPassword: ['비밀번호는 8자 이상이어야 해요.', 'The password needs at least 8 characters.'],
  badEmail: ['이메일 주소를 다시 확인해 주세요.', 'Please check the e-mail address.'],
} satisfies Record<string, Pair>;

/** Where to return to: only paths of this page. */
function backPath(): string {
  const back = new URLSearchParams(location.search).get('back') ?? '/';
  return /^\/(?![\\/])/.test(back) ? back : '/';
}

export default function Account({ mode }: { mode: 'login' | 'register' }) {
  const back = backPath();
  const done = (): void => go(back, true);
  useEffect(() => void (title.value = t(T[mode])), [mode]);
  useEffect(() => void (auth.peek() && done()), []);
  return (
    <div class="page narrow">
      <Heading>{t(T[mode])}</Heading>
      <p class="soft">{t(T.why)}</p>
      <div class="panel">{mode === 'login' ? <SignIn onDone={() => auth.peek() && done()} back={back} /> : <Register onDone={done} back={back} />}</div>
    </div>
  );
}

function check({ username = '', password = '', email = '' }: Record<string, string>): Record<string, string> {
  return {
    ...(!/^[A-Za-z0-9_-]{3,32}$/.test(username.trim()) && { username: t(T.badUser) }),
    ...(password.length < 8 && { password: t(T.badPassword) }),
    ...(!/^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$/.test(email.trim()) && { email: t(T.badEmail) }),
  };
}

function Register({ onDone, back }: { onDone: () => void; back: string }) {
  const [length, setLength] = useState(0);
  const form = useForm(check, async ({ username = '', password = '', email = '', display_name = '' }) => {
    signIn(await client.call('POST /auth/register', {
      body: { username: username.trim(), password, email: email.trim(), ...(display_name.trim() && { display_name: display_name.trim() }) },
    }));
    continueAll();
    onDone();
  });
  const hint: Pair = [T.passwordHint[0].replace('{n}', String(length)), T.passwordHint[1].replace('{n}', String(length))];
  return (
    <form class="form" onSubmit={form.submit} noValidate>
      <Summary sending={form} />
      <Field name="username" label={T.user} hint={T.userHint} autocomplete="username" required maxLength={32} error={form.errors.username} />
      <Field name="password" label={T.password} hint={hint} type="password" autocomplete="new-password" required error={form.errors.password} onInput={(value) => setLength(value.length)} />
      <Field name="email" label={T.email} type="email" autocomplete="email" required error={form.errors.email} />
      <Field name="display_name" label={T.name} hint={T.nameHint} autocomplete="name" maxLength={63} error={form.errors.display_name} />
      <button class="primary big" disabled={form.pending}>{t(form.pending ? T.pending : T.submit)}</button>
      <a class="center" href={`/login?back=${encodeURIComponent(back)}`}>{t(T.have)}</a>
    </form>
  );
}
