import { useTime } from '../time/TimeContext';
import { Chip } from './Mark';
import { useStatus } from './useStatus';

// Says which part of what is shown was made up by back-filling.
export function SyntheticNote() {
  const status = useStatus();
  const time = useTime();
  const until = status.data?.synthetic_until;
  if (!until || time.range.start >= until) return null;
  return <Chip tone="info" title="sonde demo wrote this hour itself, so that the charts are not empty. What comes later was measured.">synthetic before {time.short(until)}</Chip>;
}
