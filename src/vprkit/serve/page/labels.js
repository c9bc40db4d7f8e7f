// Names and times as people read them.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const TIME = /^(\d{4})-?(0[1-9]|1[0-2])(?:-?(0[1-9]|[12]\d|3[01])(?:[T _]?(\d{2}):?(\d{2})(?::?\d{2})?)?)?$/;

// "20230527_100224" as "27 May 2023, 10:02", "201305" as "May 2013"; others as they are.
export function readableTime(written) {
  const parts = TIME.exec(written);
  if (parts === null) return written;
  const [, year, month, day, hour, minute] = parts;
  const date = `${MONTHS[Number(month) - 1]} ${year}`;
  if (day === undefined) return date;
  return `${Number(day)} ${date}${hour === undefined ? "" : `, ${hour}:${minute}`}`;
}

// Where the fields of an @ name stand: @east@north@zone@letter@latitude@longitude@id@tile@heading@...@time@note@.jpg
const FIELDS = 16;
const [ID, HEADING, TIMED, NOTE] = [7, 9, 13, 14];

// What an @ name tells beside its position: id, heading, time and condition. Other names, and @ names without any of them, as
// they are.
export function shortName(name) {
  const fields = name.slice(name.lastIndexOf("/") + 1).split("@");
  if (fields.length < FIELDS || fields[0] !== "") return name;
  const heading = fields[HEADING] === "" ? "" : Number(fields[HEADING]);
  const degrees = heading === "" || Number.isNaN(heading) ? "" : `${Math.round(heading)}°`;
  const told = [fields[ID], degrees, readableTime(fields[TIMED]), fields[NOTE]].filter((part) => part !== "");
  return told.length ? told.join(" · ") : name;
}
