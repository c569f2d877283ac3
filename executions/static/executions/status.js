/** Badges and progress bars. They show a status by text, shape and colour. */

import { label } from "./text.js";

export function showStatus(badge, status) {
  if (badge.dataset.status === status) return;
  badge.dataset.status = status;
  badge.textContent = label(status);
}

export function showProgress(bar, done, total, status) {
  bar.max = Math.max(1, total);
  bar.value = done;
  bar.dataset.status = status;
}
