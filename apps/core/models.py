"""No tables; the module exists so that grants run after every migration (signals skip apps without one)."""
