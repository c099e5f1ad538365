// Prints the instants of many cron expressions in many time zones, as an implementation that is not ours finds them.
//
//   npm install --no-save cron-parser@5.10.5 && node cron.mjs > cron.json
//
// What falls into an hour that is left out is not asked for: there implementations differ, and ours is told by tests of its own.
// One line a case: the expression, the time zone, where the search begins, and what it finds; in seconds since 1970.

import { CronExpressionParser } from "cron-parser";

const EXPRESSIONS = [
  "* * * * *", "*/5 * * * *", "*/7 * * * *", "0 * * * *", "15,45 * * * *", "59 23 * * *", "0 0 * * *", "30 1 * * *",
  "0 12 * * *", "30 4 1 * *", "0 0 31 * *", "0 0 28 2 *", "0 9 * * MON-FRI", "0 9 * * 1-5", "0 0 * * 0", "0 0 * * 7",
  "0 0 1 1 *", "0 22 * * 6,0", "*/20 9-17 * * 1-5", "5-10 3 * * *", "0 0 13 * 5", "0 6 1,15 * 3", "10 */6 * * *",
  "0 8-18/2 * * *", "0 0 1 */3 *", "0 5 * JAN,JUL SUN", "1-59/2 * * * *", "45 23 31 12 *", "0 0 28-31 * *",
  "30 6 * 2-4 TUE", "* * * * * *", "*/10 * * * * *", "0 */15 * * * *", "30 0 12 * * *", "5,35 0 0 1 * *", "0 30 9 * * 1",
  "59 59 23 31 12 *", "*/30 30 10 * * *", "30 0 0 28 2 *", "15 10 0 * 6-8 *", "0 0 1-7 * *", "3 3 3 3 *", "0 20 * * THU",
  "0-3 14 * * *", "0 10,14,16 * * *", "20 4 */10 * *", "0 7 15 * *", "0 18 * 11 4", "50 */4 2-20 * *", "0 0 * 9 MON",
  "0 1 1 7 *", "12 12 12 12 *", "0 15 10 * * *", "0 */30 * * * *", "25 17 * 1-6/2 *",
];
const ZONES = [
  "UTC", "Europe/Madrid", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tokyo", "Australia/Adelaide",
  "Pacific/Auckland", "Africa/Cairo", "Asia/Kathmandu",
];
// A day like any other, the end of a leap year's February, and the evenings before Europe's clocks change.
const STARTS = ["2026-05-20T10:17:33Z", "2028-02-28T22:00:00Z", "2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"];
const INSTANTS = 4;

const cases = [];
for (const expression of EXPRESSIONS) {
  for (const tz of ZONES) {
    for (const start of STARTS) {
      const parsed = CronExpressionParser.parse(expression, { tz, currentDate: new Date(start) });
      const instants = Array.from({ length: INSTANTS }, () => parsed.next().getTime() / 1000);
      cases.push([expression, tz, Date.parse(start) / 1000, instants]);
    }
  }
}
console.log("[\n" + cases.map((one) => JSON.stringify(one)).join(",\n") + "\n]");
