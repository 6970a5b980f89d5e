import { createTheme, MantineProvider, Modal, Menu, Popover, useMantineColorScheme, useComputedColorScheme } from '@mantine/core';
import type { ReactNode } from 'react';
import { cspNonce } from './place';

// Mantine follows our tokens, not the other way round.
const theme = createTheme({
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 6,
  fontSizes: { xs: '11px', sm: '13px', md: '13px', lg: '15px', xl: '20px' },
  primaryColor: 'blue',
  cursorType: 'pointer',
  components: {
    // lockScroll would write a style element that knows no nonce; only <main> scrolls here, so there is nothing to lock.
    Modal: Modal.extend({ defaultProps: { transitionProps: { duration: 0 }, lockScroll: false, overlayProps: { backgroundOpacity: 0.4 } } }),
    Menu: Menu.extend({ defaultProps: { transitionProps: { duration: 0 }, shadow: 'md' } }),
    Popover: Popover.extend({ defaultProps: { transitionProps: { duration: 0 }, shadow: 'md' } }),
  },
});

const variables = () => {
  const ours = {
    '--mantine-color-body': 'var(--raised)', '--mantine-color-text': 'var(--ink)', '--mantine-color-dimmed': 'var(--muted)',
    '--mantine-color-default': 'var(--surface)', '--mantine-color-default-hover': 'var(--hover)', '--mantine-color-default-border': 'var(--line-strong)',
    '--mantine-color-placeholder': 'var(--faint)',
  };
  return { variables: {}, light: ours, dark: ours };
};

export function Theme({ children }: { children: ReactNode }) {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={cspNonce} deduplicateCssVariables>
      {children}
    </MantineProvider>
  );
}

export function useScheme() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  return { scheme, toggle: () => setColorScheme(scheme === 'dark' ? 'light' : 'dark') };
}
