namespace Microsoft.ML.VideoAlignment.DataViews;

/// <summary>
/// A value that is computed at most once while a cursor stands on a row: several columns may read it, and <c>Preview</c> calls every getter twice.
/// </summary>
internal sealed class RowCache<T>(DataViewRow row, Func<T> compute)
{
    private long _position = -1;
    private T? _value;

    /// <summary>The value of the row the cursor stands on.</summary>
    public T Value
    {
        get
        {
            if (_position != row.Position)
            {
                _value = compute();
                _position = row.Position;
            }

            return _value!;
        }
    }
}
