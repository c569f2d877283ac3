/** The modules of every page: the state of the connection, notifications, times in the reader's zone. */

import "./connection_state.js";
import "./notifications.js";
import "./times.js";
