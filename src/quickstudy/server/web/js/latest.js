// While one question is on its way only the newest of the others waits.

/**
 * A function that runs `work` on what it is given, one at a time; of those given meanwhile the last alone follows.
 * `busy` hears true when it begins and false when nothing is left.
 */
export function latest(work, failed, busy = () => {}) {
  let running = false;
  let waiting = null;
  return async function next(...given) {
    if (running) {
      waiting = given;
      return;
    }
    running = true;
    busy(true);
    try {
      await work(...given);
    } catch (error) {
      failed(error);
    }
    running = false;
    if (!waiting) busy(false);
    else {
      const following = waiting;
      waiting = null;
      next(...following);
    }
  };
}
