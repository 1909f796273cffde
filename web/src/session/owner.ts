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
  let end: (() => void) | undefined;
  const gain = (): void => {
    if (mine) return;
    mine = true;
    events.gained();
  };
  const lose = (): void => {
    if (!mine) return;
    mine = false;
    end = undefined;
    events.lost();
  };
  const hold = (): Promise<void> => {
    gain();
    return new Promise((resolve) => (end = resolve));
  };
  return {
    get mine() {
      return mine;
    },
    claim() {
      if (mine) return;
      if (!locks) return gain();
      locks.request(name, { steal: true }, hold).then(lose, lose);
    },
    release() {
      end?.();
      lose();
    },
  };
}
