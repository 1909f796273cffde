// Asks before signing out in the middle of something.

import { t } from '../../app/lang.ts';
import { signOut } from '../../app/services.ts';
import { Ask } from '../../app/sheet.tsx';

export default function SignOut({ onClose }: { onClose: () => void }) {
  const text = t(['줄 선 순번은 그대로예요. 잡아 둔 좌석은 다시 로그인해야 결제할 수 있어요.', 'Your place in line stays. Held seats can be paid only after signing in again.']);
  return <Ask title={t(['로그아웃할까요?', 'Sign out?'])} text={text} yes={t(['로그아웃', 'Sign out'])} onYes={signOut} onClose={onClose} />;
}
