//! Accept, decide, lanes, dispatch, timers, reconcile. Names no provider.
