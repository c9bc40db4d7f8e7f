// Web Mercator: the whole world is a square of side 1, north up.

export const EARTH_METRES = 40075016.686;

const radians = Math.PI / 180;

export function project(latitude, longitude) {
  const sine = Math.sin(Math.max(-85.05, Math.min(85.05, latitude)) * radians);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

// Metres on the ground of one unit of the square, at a height y of it.
export function metresPerUnit(y) {
  return EARTH_METRES / Math.cosh(Math.PI * (1 - 2 * y));
}

// Positions as the service sends them: millionths of a degree, each less the one before.
export function decodePoints(told) {
  const count = told.latitude.length;
  const points = new Float64Array(2 * count);
  let latitude = 0;
  let longitude = 0;
  for (let i = 0; i < count; i += 1) {
    latitude += told.latitude[i];
    longitude += told.longitude[i];
    [points[2 * i], points[2 * i + 1]] = project(latitude / 1e6, longitude / 1e6);
  }
  return points;
}

export function boundsOf(points) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    bounds[0] = Math.min(bounds[0], points[i]);
    bounds[1] = Math.min(bounds[1], points[i + 1]);
    bounds[2] = Math.max(bounds[2], points[i]);
    bounds[3] = Math.max(bounds[3], points[i + 1]);
  }
  return bounds;
}
