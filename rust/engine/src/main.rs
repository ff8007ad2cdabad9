//! `sweep-engine`: the built-in models as a program. For an engine with your own models, copy this file and
//! change the list.

use sweep_models::{Epidemic, Queue, Ridehail};

sweep_runtime::engine!(Queue, Epidemic, Ridehail);
