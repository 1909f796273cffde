// Screens that come when they are needed.

import { Component, type ComponentChildren, type ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from './lang.ts';
import { Skeleton } from './ui.tsx';

type Loader<P> = () => Promise<{ default: ComponentType<P> }>;
const RELOADED = 'tt.reloaded';

/** A component in a file of its own. A file that is gone, as after a deployment, reloads the page once. */
export function lazy<P extends object>(load: Loader<P>, wait = true): ComponentType<P> & { preload: () => void } {
  let loaded: ComponentType<P> | undefined;
  const get = (): Promise<void> => load().then((module) => void (loaded = module.default));
  function Lazy(props: P) {
    const [ready, setReady] = useState(!!loaded);
    const [failure, setFailure] = useState<unknown>();
    useEffect(() => {
      if (!ready) get().then(() => setReady(true), (error) => reloadOnce() || setFailure(error));
    }, []);
    if (failure) return <Broken />;
    const Loaded = loaded;
    if (Loaded) return <Loaded {...props} />;
    return wait ? <div class="page"><Skeleton lines={5} /></div> : null;
  }
  return Object.assign(Lazy, { preload: () => void get().catch(() => {}) });
}

function reloadOnce(): boolean {
  if (navigator.onLine === false) return false;
  try {
    if (sessionStorage.getItem(RELOADED)) return false;
    sessionStorage.setItem(RELOADED, '1');
  } catch {
    return false;
  }
  location.reload();
  return true;
}

/** What is left of a screen that failed. */
export function Broken() {
  return (
    <div class="page narrow">
      <h1>{t(['화면에 문제가 생겼어요', 'Something broke on this page'])}</h1>
      <p>{t(['새로고침해 주세요. 순번과 좌석은 그대로예요.', 'Please reload. Your place and seats are kept.'])}</p>
      <p><button type="button" class="primary" onClick={() => location.reload()}>{t(['새로고침', 'Reload'])}</button></p>
    </div>
  );
}

/** Keeps one screen's fault from blanking the page. */
export class Boundary extends Component<{ children: ComponentChildren }, { failed: boolean }> {
  override state = { failed: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ failed: true });
  }

  override render() {
    return this.state.failed ? <Broken /> : this.props.children;
  }
}
