"""Accounts, roles, sessions and the audit log of the central system.

``permissions`` is the table of what each role may see and do. The web layer asks for a permission
by ``central.web.access.require``.
"""
