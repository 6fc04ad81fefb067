-- The child that brings the refused log. Null: it is that of the site's own session, or was taken off the backbone.
alter table child_refusal add column brought_by uuid;
