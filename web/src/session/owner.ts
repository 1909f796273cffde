// Which tab works for a session: the one that somebody looks at. All others mirror what it stores.

export interface Owner {
  readonly mine: boolean;
  /** Takes the work over from whichever tab has it. */
  claim(): void;
  release(): void;
}

export interface OwnerEvents {
  gained: () => void;
  lost: () => void;
}

/** A named lock; whoever claims it steals it. Where there are no locks every tab works, and the keys keep that harmless. */
export function ownerOf(name: string, events: OwnerEvents, locks: LockManager | undefined = globalThis.navigator?.locks): Owner {
  let mine = false;
  /** The claim that counts; what becomes of earlier ones no longer matters. */
  let claims = 0;
  let pending = false;
  let end: (() => void) | undefined;
  const gain = (): void => {
    pending = false;
    mine = true;
    events.gained();
  };
  const lose = (claim: number): void => {
    if (claim !== claims) return;
    pending = false;
    if (!mine) return;
    mine = false;
    events.lost();
  };
  const request = (claim: number, manager: LockManager): void => {
    const hold = (): Promise<void> => {
      gain();
      return new Promise((resolve) => (end = resolve));
    };
    manager.request(name, { steal: true }, hold).then(() => lose(claim), () => lose(claim));
  };
  return {
    get mine() {
      return mine;
    },
    claim() {
      if (mine || pending) return;
      if (!locks) return gain();
      pending = true;
      request(++claims, locks);
    },
    release() {
      end?.();
      lose(claims);
    },
  };
}
