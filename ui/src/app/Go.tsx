import type { AnchorHTMLAttributes, ReactNode } from 'react';
import { Link, useSearch } from 'wouter';
import { withSearch } from './links';

interface Props extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> {
  to: string;
  with?: Record<string, string | number | boolean | undefined | null>;
  children: ReactNode;
}

// A link inside the interface: a real <a href>, which keeps the time range.
export function Go({ to, with: values = {}, children, ...rest }: Props) {
  const search = useSearch();
  return <Link href={withSearch(to, values, search)} {...rest}>{children}</Link>;
}
