import { describe, expect, test } from 'vitest';
import { queryString } from '../api/http';
import { addressesOf } from './addresses';
import { bytes, count, figure, percent } from './figures';
import { withSearch } from './links';
import { basePath } from './place';
import { patched } from './urlState';

describe('addresses', () => {
  test('the mount path follows the base href, without a slash at its end', () => {
    expect(basePath('http://h:9090/')).toBe('');
    expect(basePath('http://h:9090/ops/sonde/')).toBe('/ops/sonde');
  });
  test('a link keeps the time range and drops the page’s own state', () => {
    expect(withSearch('/logs', { q: '{a="b"}' }, '?from=now-3h&to=now&sort=calls&tz=local')).toBe('/logs?q=%7Ba%3D%22b%22%7D&from=now-3h&to=now&tz=local');
    expect(withSearch('/logs', { from: '5' }, '?from=now-3h')).toBe('/logs?from=5');
    expect(withSearch('/', {}, '')).toBe('/');
  });
  test('a patch of the search removes what is empty', () => {
    expect(patched('?a=1&b=2', { a: null, c: true, d: '' })).toBe('b=2&c=1');
  });
  test('parameters repeat for lists and leave out what is not set', () => {
    expect(queryString({ 'match[]': ['a', 'b'], limit: 0, none: undefined, empty: '' })).toBe('match%5B%5D=a&match%5B%5D=b&limit=0');
  });
});

test('snippets name the OTLP port that the server says, else the usual one', () => {
  expect(addressesOf('http://h:9090/ops', [{ address: '[::]:4317', kind: 'otlp-grpc' }, { address: '[::]:5318', kind: 'otlp-http' }])).toEqual({ server: 'http://h:9090/ops', otlp: 'http://h:5318' });
  expect(addressesOf('https://h', undefined).otlp).toBe('http://h:4318');
});

describe('figures', () => {
  test('three significant digits and SI prefixes', () => {
    expect([0, 0.5, 1.234, 12.34, 999.6, 1234, 12340, 2.5e6, 7e12].map(figure)).toEqual(['0', '0.5', '1.23', '12.3', '1000', '1234', '12.3k', '2.5M', '7T']);
    expect(figure(0.000123)).toBe('1.2e−4');
    expect(figure(-3)).toBe('−3');
    expect(figure(Infinity)).toBe('+Inf');
    expect(figure(undefined)).toBe('–');
  });
  test('ratios as per cent, small ones not rounded to nothing', () => {
    expect([0, 0.00001, 0.0012, 0.021, 0.5, 1].map(percent)).toEqual(['0 %', '<0.01 %', '0.12 %', '2.1 %', '50 %', '100 %']);
  });
  test('bytes in decimal units, counts with thin groups', () => {
    expect([12, 1500, 12412331].map(bytes)).toEqual(['12 B', '1.5 kB', '12.4 MB']);
    expect(count(4183)).toBe('4 183');
    expect(count(184211)).toBe('184k');
  });
});
