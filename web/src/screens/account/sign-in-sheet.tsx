// Signing in over whatever is shown.

import { t } from '../../app/lang.ts';
import { Sheet } from '../../app/sheet.tsx';
import SignIn from './sign-in.tsx';

export default function SignInSheet({ onDone }: { onDone: () => void }) {
  return <Sheet title={t(['로그인', 'Sign in'])} onClose={onDone}><SignIn onDone={onDone} /></Sheet>;
}
