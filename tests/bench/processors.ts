// Which processor the servers run on, and which the client.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Whether processes can be bound to processors here, and there are two. */
export const bound = availableParallelism() > 1 && spawnSync('taskset', ['-c', '1', 'true']).status === 0;

/** One each, or whichever the machine gives. */
export const SERVER_CPU = bound ? 0 : undefined;
export const CLIENT_CPU = bound ? 1 : undefined;
