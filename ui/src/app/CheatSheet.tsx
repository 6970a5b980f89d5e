import { Modal } from '@mantine/core';
import { cheats } from './keyboard';

export default function CheatSheet({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Keyboard" size="lg" closeButtonProps={{ 'aria-label': 'Close' }}>
      <div className="cheats">
        {cheats.map(([keys, what]) => <div key={keys}><span>{what}</span><span className="nowrap">{keys.split(' ').map(k => <kbd key={k} style={{ marginLeft: 4 }}>{k}</kbd>)}</span></div>)}
      </div>
    </Modal>
  );
}
