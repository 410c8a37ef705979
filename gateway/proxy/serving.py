"""The name by which scripts outside of this repository know `TableWatch`; nothing in it uses this one."""

from gateway.proxy.table_watch import TableWatch as Watch

__all__ = ["Watch"]
