import { ApiError } from '../api/http';
import { Icon } from '../app/icons';
import { Problem } from '../app/messages';
import { placeOf, underlined } from './position';

export function QueryError({ error, expr }: { error: unknown; expr: string }) {
  const place = error instanceof ApiError ? placeOf(error.what) : undefined;
  if (!place) return <Problem error={error} title="The query failed" />;
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <div style={{ minWidth: 0 }}>
        <h3>Syntax error in line {place.line}, column {place.column}</h3>
        <p>{place.text}</p>
        <pre>{underlined(expr, place)}</pre>
      </div>
    </div>
  );
}
