// Being told that the turn has come: sound, vibration, a screen that stays on. All of it from this page alone.

import { useEffect } from 'preact/hooks';
import { t, type Pair } from '../app/lang.ts';
import { prefer, prefs } from '../app/prefs.ts';
import { turn } from '../app/sessions.ts';
import { Switch } from '../app/controls.tsx';

const T = {
  sound: ['차례가 오면 소리', 'Sound on your turn'],
  soundHint: ['켜면 바로 한 번 들려요.', 'Plays once when switched on.'],
  awake: ['화면 켜 두기', 'Keep the screen on'],
  notify: ['알림', 'Notification'],
  notifyHint: ['이 창이 열려 있는 동안만 와요.', 'Only while this page is open.'],
} satisfies Record<string, Pair>;

let audio: AudioContext | undefined;

/** Two short tones. */
function chime(times: number): void {
  try {
    audio ??= new AudioContext();
    void audio.resume();
    for (let round = 0; round < times; round++) {
      for (const [at, pitch] of [[0, 660], [0.18, 880]] as const) tone(audio, audio.currentTime + round * 0.7 + at, pitch);
    }
  } catch {
    // No sound on this device.
  }
}

function tone(context: AudioContext, at: number, pitch: number): void {
  const [source, volume] = [context.createOscillator(), context.createGain()];
  source.frequency.value = pitch;
  volume.gain.setValueAtTime(0.0001, at);
  volume.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.16);
  source.connect(volume).connect(context.destination);
  source.start(at);
  source.stop(at + 0.17);
}

function notify(): void {
  try {
    new Notification(t(['차례가 됐어요!', 'It’s your turn!']), { tag: 'turn' });
  } catch {
    // This browser shows none from a page.
  }
}

turn.subscribe((times) => {
  if (!times) return;
  if (prefs.value.sound) chime(3);
  if (prefs.value.notify) notify();
  navigator.vibrate?.([200, 100, 200, 100, 400]);
});

const canNotify = (): boolean => 'Notification' in globalThis && !/iPhone|iPad|Android/.test(navigator.userAgent);

async function setNotify(on: boolean): Promise<void> {
  prefer({ notify: on && (await Notification.requestPermission()) === 'granted' });
}

function useAwake(on: boolean | undefined): void {
  useEffect(() => {
    if (!on || !('wakeLock' in navigator)) return;
    let lock: WakeLockSentinel | undefined;
    const take = (): void => void (document.hidden || navigator.wakeLock.request('screen').then((taken) => (lock = taken), () => {}));
    take();
    document.addEventListener('visibilitychange', take);
    return () => (document.removeEventListener('visibilitychange', take), void lock?.release());
  }, [on]);
}

export function Alerts() {
  const { sound, awake, notify: notified } = prefs.value;
  useAwake(awake);
  return (
    <div class="switches">
      <Switch label={t(T.sound)} hint={t(T.soundHint)} on={!!sound} set={(on) => (prefer({ sound: on }), on && chime(1))} />
      {'wakeLock' in navigator && <Switch label={t(T.awake)} on={!!awake} set={(on) => prefer({ awake: on })} />}
      {canNotify() && <Switch label={t(T.notify)} hint={t(T.notifyHint)} on={!!notified} set={setNotify} />}
    </div>
  );
}
