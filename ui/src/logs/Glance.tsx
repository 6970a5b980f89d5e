import type { Labels } from '../api/sonde';
import { took } from '../time/duration';
import { glance } from './lines';

// What a line carries, behind its message.
export function Glance({ fields }: { fields: Labels }) {
  return glance(fields, took).map(([name, value], i) => <span key={i} className="log-glance">{name && <i>{name}=</i>}{value}</span>);
}
