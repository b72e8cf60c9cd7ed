// Formats values as monitor/types/formatting.py does.

// Media time: 0:07.4, 12:00.0, 1:02:03.0.
function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, tenths % 600];
  const lead = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${lead}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

// A probability in whole percent, never a certainty.
function percent(probability) {
  if (probability > 0.99) return ">99 %";
  return probability < 0.01 ? "<1 %" : `${Math.round(100 * probability)} %`;
}
